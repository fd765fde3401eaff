package handlers

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/semaphore"
)

// Large calls are worked on a few at a time: more at once would not be answered sooner, only need more memory, about
// fifteen times the size of their bodies. Small calls never wait for them.
const (
	smallBody        = 64 << 10
	roomPerProcessor = 2 << 20
)

// room is what there is for the bodies of large calls, in bytes.
var room = int64(roomPerProcessor * runtime.GOMAXPROCS(0))

var roomLeft = semaphore.NewWeighted(room)

// takeRoom waits until there is room for a body that has been read, and returns what gives it back; that may be called twice. A body larger than
// all the room has it to itself. Bodies that are still on their way take none, or a slow sender could keep others out.
func takeRoom(ctx context.Context, body int) (leave func(), err error) {
	if body <= smallBody {
		return func() {}, nil
	}
	n := min(int64(body), room)
	if err := roomLeft.Acquire(ctx, n); err != nil {
		return nil, fmt.Errorf("wait for room: %w", err)
	}
	taken := true
	return func() {
		if taken {
			taken = false
			roomLeft.Release(n)
		}
	}, nil
}
