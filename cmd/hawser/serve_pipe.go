package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

// pipe publishes the lines of in on the topic of --pipe, until the end of in or of ctx. The server goes on after that.
func (s *service) pipe(ctx context.Context, in io.Reader) {
	publish := func(line []byte) error {
		err := s.server.Publish(s.opt.pipe, lineType(line), line)
		if errors.Is(err, notify.ErrMessageTooLarge) {
			return fmt.Errorf("%w: %w", err, errLeftOut)
		}
		return err
	}
	warn := func(err error) { s.log.Warn("a line of standard input was not published", "error", err) }
	published, skipped, err := servePipe(ctx, in, publish, warn)
	switch {
	case ctx.Err() != nil, errors.Is(err, websocket.ErrHubClosed): // the server stops
	case err != nil:
		s.log.Error("standard input is published no further", "error", err, "published", published, "left_out", skipped)
	default:
		s.log.Info("standard input has ended", "published", published, "left_out", skipped)
	}
}
