package cdp

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
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

// keys are what a keyboard has, as far as tests press it.
var keys = map[string]object{
	"Tab":   {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
	"Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
	"Space": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
}

// Press presses a key, one of Tab, Enter and Space, and lets it go. "Shift+" may stand before it.
func (p *Page) Press(ctx context.Context, name string) error {
	name, shift := strings.CutPrefix(name, "Shift+")
	key, ok := keys[name]
	if !ok {
		return fmt.Errorf("cdp: press %q: there is no such key", name)
	}
	for _, kind := range []string{"keyDown", "keyUp"} {
		event := maps.Clone(key)
		event["type"] = kind
		if shift {
			event["modifiers"] = 8
		}
		if kind == "keyUp" {
			delete(event, "text")
		}
		if err := p.call(ctx, "Input.dispatchKeyEvent", event, nil); err != nil {
			return err
		}
	}
	return nil
}

// Enter enters text into what has the focus, as a keyboard or an input method would.
func (p *Page) Enter(ctx context.Context, text string) error {
	return p.call(ctx, "Input.insertText", object{"text": text}, nil)
}
