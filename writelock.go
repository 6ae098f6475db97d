package websocket

import (
	"context"
	"sync"
)

// This file is the write lock: who waits for it, and what ends the waiting.

// A writeLock is a mutex of which the waiting can be given up. It has memory for those who wait only while there are
// any. mu guards the fields.
type writeLock struct {
	mu    sync.Mutex
	held  bool
	first *writeTurn // who waits, the first comer first
	last  *writeTurn // means nothing if nobody waits
}

// A writeTurn is one who waits for a writeLock.
type writeTurn struct {
	come chan struct{} // closed when the lock is theirs
	next *writeTurn
}

// tryLock takes the lock if it is free.
func (l *writeLock) tryLock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return false
	}
	l.held = true
	return true
}

// unlock passes the lock on to the one who has waited longest.
func (l *writeLock) unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.held = false
		return
	}
	close(l.first.come)
	l.first = l.first.next
}

// queue takes a place behind those who wait. If nobody has the lock the turn has come.
func (l *writeLock) queue() *writeTurn {
	turn := &writeTurn{come: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held = true
		close(turn.come)
		return turn
	}
	if l.first == nil {
		l.first = turn
	} else {
		l.last.next = turn
	}
	l.last = turn
	return turn
}

// leave gives up waiting for turn. It reports false if that has come meanwhile, so that the lock is held.
func (l *writeLock) leave(turn *writeTurn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var before *writeTurn
	for t := l.first; t != nil; before, t = t, t.next {
		switch {
		case t != turn:
			continue
		case before == nil:
			l.first = t.next
		default:
			before.next = t.next
		}
		if l.last == t {
			l.last = before
		}
		return true
	}
	return false
}

// tryLock takes the write lock if it is free.
func (c *Conn) tryLock() bool { return c.wlock.tryLock() }

// lockWrite waits for the write lock. It fails if the connection is ending, if ctx, which may be nil, gives up, or, if
// limited, when the owner's deadline passes.
func (c *Conn) lockWrite(ctx context.Context, limited bool) error {
	if err := c.waitLock(ctx, limited); err != nil {
		return err
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

// waitLock is lockWrite that takes the lock in any case.
func (c *Conn) waitLock(ctx context.Context, limited bool) error {
	if c.tryLock() {
		return nil
	}
	turn := c.wlock.queue()
	err := c.waitTurn(ctx, limited, turn.come, "other writes")
	if err != nil && !c.wlock.leave(turn) {
		c.unlockWrite()
	}
	return err
}

// waitTurn waits until come is closed. what says what is in the way.
func (c *Conn) waitTurn(ctx context.Context, limited bool, come <-chan struct{}, what string) error {
	for {
		wait := writeWait{}
		if limited {
			wait = c.wdl().startWait()
		}
		select {
		case <-come:
			wait.stop()
			return nil
		case <-c.Done():
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
		if err := c.waitTurn(ctx, true, closed, "a message that NextWriter began"); err != nil {
			return err
		}
	}
	if c.writeDeadlinePassed() {
		c.unlockWrite()
		return errWriteDeadline
	}
	c.takeEarlier()
	return nil
}
