package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/gate/status"
	"github.com/changetrail/changetrail/stream"
)

// statusHosts returns the code hosts that show the gate's answers.
func (s *Settings) statusHosts() (hosts []status.Host, err error) {
	hub, lab := s.Gateway.Status.GitHub, s.Gateway.Status.GitLab
	token, err1 := s.Secret("gateway.status.github.token")
	key, err2 := s.Secret("gateway.status.github.app_key")
	labToken, err3 := s.Secret("gateway.status.gitlab.token")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, usageError{err}
	}
	switch {
	case token != "" && (hub.App != "" || key != ""):
		return nil, usageError{errors.New("configuration: gateway.status.github has both a token and an app; keep one")}
	case (hub.App == "") != (key == ""):
		return nil, usageError{errors.New("configuration: gateway.status.github: an app needs both app and app_key_file")}
	}
	get := status.Fixed(token)
	if hub.App != "" {
		if get, err = status.App(hub.URL, hub.App, key); err != nil {
			return nil, usageError{fmt.Errorf("configuration: %w", err)}
		}
	}
	if token != "" || hub.App != "" {
		h, err := status.NewGitHub(hub.URL, get)
		if err != nil {
			return nil, usageError{fmt.Errorf("configuration: %w", err)}
		}
		hosts = append(hosts, h)
	}
	if labToken != "" {
		h, err := status.NewGitLab(lab.URL, labToken, lab.Check)
		if err != nil {
			return nil, usageError{fmt.Errorf("configuration: %w", err)}
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// pagesURL returns where people's browsers reach the pages; empty if no setting says so.
func (s *Settings) pagesURL() string { return cmp.Or(s.SignIn.URL, s.SIEM.Pages) }

// shows returns what lets code hosts show the gate's answers about the open changes until its context
// is done, in one process of those that have the settings for it.
func (s *Settings) shows(w *status.Worker, kafka stream.Config, open *pending.Follower) func(context.Context) error {
	return func(ctx context.Context) error {
		open.Listen(w)
		topics := s.topics()
		return stream.Alone(ctx, kafka, topics.Prefix+"-status", topics.Policies(), func(ctx context.Context, t stream.Turn) { w.Run(ctx, t.Still) })
	}
}
