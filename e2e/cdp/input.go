package cdp

import (
	"context"
	"fmt"
	"strconv"
)

// Click presses the mouse in the middle of the first element that matches the selector. The element has to be visible,
// and nothing may lie over it: a person could not click it otherwise.
func (p *Page) Click(ctx context.Context, selector string) error {
	var at struct {
		X, Y   float64
		Hidden string
	}
	if err := p.Eval(ctx, `(`+locate+`)(`+strconv.Quote(selector)+`)`, &at); err != nil {
		return err
	}
	if at.Hidden != "" {
		return fmt.Errorf("cdp: click %s: %s", selector, at.Hidden)
	}
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		event := object{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}
		if err := p.call(ctx, "Input.dispatchMouseEvent", event, nil); err != nil {
			return err
		}
	}
	return nil
}

// locate scrolls to an element and tells where its middle is, or why it cannot be clicked.
const locate = `selector => {
	const element = document.querySelector(selector)
	if (!element) return {Hidden: "there is no such element"}
	element.scrollIntoView({block: "center", behavior: "instant"})
	const box = element.getBoundingClientRect()
	const X = box.x + box.width / 2, Y = box.y + box.height / 2
	const top = document.elementFromPoint(X, Y)
	if (!top) return {Hidden: "it is not visible"}
	return element.contains(top) ? {X, Y} : {Hidden: "it is covered by " + top.outerHTML.slice(0, 100)}
}`

// Type clicks an input, replaces what it holds, and enters the text as a keyboard or an input method would.
func (p *Page) Type(ctx context.Context, selector, text string) error {
	if err := p.Click(ctx, selector); err != nil {
		return err
	}
	if err := p.Eval(ctx, `document.activeElement.select()`, nil); err != nil {
		return err
	}
	return p.call(ctx, "Input.insertText", object{"text": text}, nil)
}
