package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	groups     = 100
	publishers = 8
	everyone   = "all" // the topic of everybody
	pause      = 300 * time.Millisecond
)

// groupTopics are the topics of a group of clients.
func groupTopics(group int) []string {
	g := "group." + strconv.Itoa(group)
	return []string{g + ".a", g + ".b"}
}

// A press publishes numbers: on each topic 1, 2, 3, …. The topics are divided among goroutines, so that each topic has
// one.
type press struct {
	addr   string
	client http.Client

	mu   sync.Mutex
	last map[string]int // by topic

	published, subscribers atomic.Int64 // what the answers add up to
}

func newPress(addr string) *press {
	return &press{addr: addr, last: make(map[string]int),
		client: http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: publishers}}}
}

// fill publishes as much on all topics as the server keeps.
func (p *press) fill() error {
	return each(func(topics []string) error {
		for n := range kept * len(topics) {
			if err := p.publish(topics[n%len(topics)]); err != nil {
				return err
			}
		}
		return nil
	})
}

// run publishes on all topics, again and again, until ctx ends.
func (p *press) run(ctx context.Context) error {
	return each(func(topics []string) error { return p.runOne(ctx, topics) })
}

// each has each publisher do something with its topics, and returns an error if there is one.
func each(do func(topics []string) error) error {
	var group sync.WaitGroup
	errs := make([]error, publishers)
	for i := range publishers {
		var topics []string
		for g := i; g < groups; g += publishers {
			topics = append(topics, groupTopics(g)...)
		}
		if i == 0 {
			topics = append(topics, everyone)
		}
		group.Go(func() { errs[i] = do(topics) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (p *press) runOne(ctx context.Context, topics []string) error {
	tick := time.NewTicker(pause / time.Duration(len(topics)))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := p.publish(topics[n%len(topics)]); err != nil {
			return err
		}
	}
}

// publish publishes the next number of a topic.
func (p *press) publish(topic string) error {
	p.mu.Lock()
	p.last[topic]++
	number := strconv.Itoa(p.last[topic])
	p.mu.Unlock()
	r, err := http.NewRequest(http.MethodPost, "http://"+p.addr+"/topics/"+topic, strings.NewReader(number))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := p.client.Do(r)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("publish: %s: %s, %v", res.Status, body, err)
	}
	var answer struct{ Subscribers int64 }
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("publish: %w: %s", err, body)
	}
	p.published.Add(1)
	p.subscribers.Add(answer.Subscribers)
	return nil
}

// number returns the last number of a topic.
func (p *press) number(topic string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[topic]
}
