package websocket

import "context"

// This file is the write lock: who waits for it, and what ends the waiting.

// tryLock takes the write lock if it is free.
func (c *Conn) tryLock() bool {
	select {
	case c.wlock <- struct{}{}:
		return true
	default:
		return false
	}
}

// lockWrite waits for the write lock. It fails if the connection is ending, if ctx, which may be nil, gives up, or, if
// limited, when the owner's deadline passes.
func (c *Conn) lockWrite(ctx context.Context, limited bool) error {
	if !c.tryLock() {
		if err := c.waitLock(ctx, limited); err != nil {
			return err
		}
	}
	if c.dying.Load() {
		c.unlockWrite()
		return c.failed()
	}
	if err := c.werr; err != nil {
		c.unlockWrite()
		return err
	}
	return nil
}

func (c *Conn) waitLock(ctx context.Context, limited bool) error {
	return c.waitTurn(ctx, limited, c.wlock, nil, "other writes")
}

// waitTurn waits until it has put something into lock or closed is closed; either may be nil. what says what is in the
// way.
func (c *Conn) waitTurn(ctx context.Context, limited bool, lock chan<- struct{}, closed <-chan struct{}, what string) error {
	for {
		wait := writeWait{}
		if limited {
			wait = c.wdl.startWait()
		}
		select {
		case lock <- struct{}{}:
			wait.stop()
			return nil
		case <-closed:
			wait.stop()
			return nil
		case <-c.done:
			wait.stop()
			return c.failed()
		case <-doneOf(ctx):
			wait.stop()
			return &contextError{"write gave up waiting for " + what + "; nothing was sent", ctx.Err()}
		case <-wait.passed:
			return errWriteDeadline
		case <-wait.moved:
			wait.stop()
		}
	}
}

func doneOf(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	return ctx.Done()
}

// lockMessage waits for the write lock when no message is being sent in fragments.
func (c *Conn) lockMessage(ctx context.Context) error {
	for {
		if err := c.lockWrite(ctx, true); err != nil {
			return err
		}
		if c.stream == nil {
			break
		}
		closed := c.stream.closed
		c.unlockWrite()
		if err := c.waitTurn(ctx, true, nil, closed, "a message that NextWriter began"); err != nil {
			return err
		}
	}
	if c.wdl.userPassed() {
		c.unlockWrite()
		return errWriteDeadline
	}
	c.takeEarlier()
	return nil
}
