package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listeners are the two addresses of a server: the public one, and that for whoever runs it.
type listeners struct{ public, ops net.Listener }

// listen takes both addresses before anything else is done, so that a port in use is noticed before the database is
// touched. A port 0 takes any free one.
func listen(cfg Config) (l listeners, err error) {
	if l.public, err = listenOn("listen", cfg.Listen); err != nil {
		return l, err
	}
	if l.ops, err = listenOn("ops_listen", cfg.OpsListen); err != nil {
		l.close()
		return l, err
	}
	return l, nil
}

func listenOn(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use by another program; choose another address", key, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}

func (l listeners) close() {
	for _, listener := range []net.Listener{l.public, l.ops} {
		if listener != nil {
			listener.Close()
		}
	}
}
