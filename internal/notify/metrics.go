package notify

import "time"

// meters counts what happens.
type meters struct{}

func (m *meters) opened(kind string)             {}
func (m *meters) closed(kind, reason string)     {}
func (m *meters) published(bytes int)            {}
func (m *meters) delivered(n int)                {}
func (m *meters) dropped(reason string, n int)   {}
func (m *meters) recovered(complete bool, n int) {}
func (m *meters) refused(code string)            {}
func (m *meters) latency(d time.Duration)        {}
