package cdp

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// pollInterval is the time between two looks of [Page.WaitFor].
const pollInterval = 20 * time.Millisecond

// Page is one tab.
type Page struct {
	browser *Browser
	session string

	mu       sync.Mutex
	problems []Problem
}

// NewPage opens an empty tab and starts to collect what goes wrong in it.
func (b *Browser) NewPage(ctx context.Context) (*Page, error) {
	var target struct {
		TargetID string `json:"targetId"`
	}
	if err := b.call(ctx, "", "Target.createTarget", object{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	attach := object{"targetId": target.TargetID, "flatten": true}
	if err := b.call(ctx, "", "Target.attachToTarget", attach, &attached); err != nil {
		return nil, err
	}
	p := &Page{browser: b, session: attached.SessionID}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		if err := p.call(ctx, domain+".enable", nil, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// object is a JSON object in a call.
type object map[string]any

func (p *Page) call(ctx context.Context, method string, params, result any) error {
	return p.browser.call(ctx, p.session, method, params, result)
}

// Navigate opens url and waits until the document has been loaded.
func (p *Page) Navigate(ctx context.Context, url string) error {
	var navigated struct {
		ErrorText string `json:"errorText"`
	}
	if err := p.call(ctx, "Page.navigate", object{"url": url}, &navigated); err != nil {
		return err
	}
	if navigated.ErrorText != "" {
		return fmt.Errorf("cdp: open %s: %s", url, navigated.ErrorText)
	}
	return p.WaitFor(ctx, `location.href !== "about:blank" && document.readyState === "complete"`)
}

// Eval evaluates a JavaScript expression, awaits it if it is a promise, and decodes its value into result, unless that
// is nil.
func (p *Page) Eval(ctx context.Context, expression string, result any) error {
	var evaluated struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *exceptionDetails `json:"exceptionDetails"`
	}
	params := object{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}
	if err := p.call(ctx, "Runtime.evaluate", params, &evaluated); err != nil {
		return err
	}
	if evaluated.ExceptionDetails != nil {
		return fmt.Errorf("cdp: evaluate %s: %s", expression, evaluated.ExceptionDetails)
	}
	if result == nil {
		return nil
	}
	if evaluated.Result.Value == nil { // undefined
		return fmt.Errorf("cdp: evaluate %s: it has no value", expression)
	}
	return json.Unmarshal(evaluated.Result.Value, result)
}

// WaitFor evaluates a condition until it is true, or until the context ends.
func (p *Page) WaitFor(ctx context.Context, condition string) error {
	for {
		var met bool
		err := p.Eval(ctx, "!!("+condition+")", &met)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("cdp: %s did not become true: %w", condition, context.Cause(ctx))
		case err != nil && !navigating(err):
			return err
		case met:
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollInterval):
		}
	}
}

// navigating reports whether an evaluation failed only because the page was being replaced by the next one.
func navigating(err error) bool {
	return strings.Contains(err.Error(), "context was destroyed") || strings.Contains(err.Error(), "navigated or closed")
}

// SetViewport gives the page the size of a window or a phone, in CSS pixels.
func (p *Page) SetViewport(ctx context.Context, width, height int) error {
	return p.call(ctx, "Emulation.setDeviceMetricsOverride",
		object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
}

// SetColorScheme has the page shown as to somebody who prefers "light" or "dark".
func (p *Page) SetColorScheme(ctx context.Context, scheme string) error {
	return p.call(ctx, "Emulation.setEmulatedMedia",
		object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// IgnoreCertificateErrors lets the page be loaded from servers whose certificates nobody vouches for.
func (p *Page) IgnoreCertificateErrors(ctx context.Context) error {
	return p.call(ctx, "Security.setIgnoreCertificateErrors", object{"ignore": true}, nil)
}

// DisableScripts lets no script of the documents that are opened from now on run. Eval still works.
func (p *Page) DisableScripts(ctx context.Context) error {
	return p.call(ctx, "Emulation.setScriptExecutionDisabled", object{"value": true}, nil)
}

// Screenshot returns what the viewport shows, as a PNG.
func (p *Page) Screenshot(ctx context.Context) ([]byte, error) {
	var shot struct {
		Data []byte `json:"data"`
	}
	err := p.call(ctx, "Page.captureScreenshot", object{"format": "png"}, &shot)
	return shot.Data, err
}
