package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/instances"
)

// A wanted address is an address to listen at.
type wanted struct{ key, flag, address string }

// addressInUse explains why listening at an address failed, who uses it, and how to choose another
// one.
func (s *Settings) addressInUse(ctx context.Context, w wanted, err error) error {
	change := fmt.Sprintf("choose another address with %s, for example %s, or with %s in the configuration", w.flag, example(w.address), w.key)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %w; %s", w.key, err, change)
	}
	return fmt.Errorf("%s: %s is in use%s; stop it, or %s", w.key, w.address, s.holder(ctx, w.address), change)
}

// holder returns who listens at an address, if that is known.
func (s *Settings) holder(ctx context.Context, address string) string {
	for _, i := range instances.Known(s.state) {
		if i.ListensAt(address) && i.Running(ctx) {
			return " by " + i.String()
		}
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if who := listenerAt(port); who != "" {
		return " by " + who
	}
	return ""
}

// example returns an alternative to an address that is in use.
func example(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "127.0.0.1:8090"
	}
	if strings.HasSuffix(port, "92") {
		return net.JoinHostPort(host, "19092")
	}
	return net.JoinHostPort(host, "8090")
}

// notStarted explains why an embedded instance did not start.
func (s *Settings) notStarted(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, embedded.ErrInUse):
		return fmt.Errorf("%s is in use by %s; stop it, or choose another folder with --data", s.Local.Data, instances.In(s.Local.Data))
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES) && strings.Contains(err.Error(), "listen"):
		return s.addressInUse(ctx, wanted{"local.broker", "--broker", s.Local.Broker}, err)
	}
	return err
}
