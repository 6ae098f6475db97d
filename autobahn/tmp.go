package autobahn

import (
	"context"
	"errors"
	"net"
	"sync"
)

type shake struct{}

type catalog struct {
	original, extra []*Case
	groups          []Group
}

var allCases = sync.OnceValue(func() *catalog { return &catalog{} })

func runServer(ctx context.Context, url string, o Options) ([]*Result, error) {
	return nil, errors.ErrUnsupported
}

func (s *Server) serve(ctx context.Context, ln net.Listener) error { return errors.ErrUnsupported }
