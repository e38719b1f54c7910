package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/noting"
	"github.com/changetrail/changetrail/producer"
)

func (a *app) flushHooks() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "flush",
		Short: "Send what hooks recorded",
		Long: `Sends what hooks recorded and what was not sent yet to the gateway (producer.gateway) or
to Kafka. It runs by itself when an agent stops. To send something twice is harmless.

A session is sent to the address that was configured when it began. If another address
is configured now, the session is sent without the token of the new one. To send it
with a token, give its gateway and that token in the environment.

What cannot be sent now stays and is sent the next time. What will never be accepted,
such as an event that is too large, is put aside in a file, and the rest is sent. Each
such file is named here and in errors.log.`,
		Example: "  changetrail hook flush --gateway https://changetrail.acme.example",
		Args:    noArgs,
		RunE: a.within(&timeout, func(ctx context.Context, cmd *cobra.Command, s *Settings) error {
			log, err := noting.Log(&s.Config)
			if err != nil {
				return err
			}
			f := flushing{settings: s, log: log, ways: make(map[string]*way)}
			err = f.all(ctx)
			f.report(cmd.OutOrStdout())
			if err = errors.Join(append(f.aside, err)...); err != nil {
				log.Complain(time.Now(), err) // nobody reads what a background process prints
			}
			return err
		}),
	}
	cmd.Flags().Var(spanOf(&timeout, time.Minute), "timeout", "how long to try")
	a.producerFlags(cmd)
	return cmd
}

// A flushing sends what was recorded of all sessions and counts the outcomes.
type flushing struct {
	settings *Settings
	log      notes.Log
	ways     map[string]*way

	busy  bool    // another process is sending
	sent  int     // events
	kept  int     // sessions that nothing ties to a repository
	aside []error // what was put aside, why and where
}

func (f *flushing) report(out io.Writer) {
	if f.busy {
		fmt.Fprintln(out, "nothing was sent: another process is sending what hooks recorded")
		return
	}
	fmt.Fprintf(out, "%d events were sent", f.sent)
	if len(f.aside) > 0 {
		fmt.Fprintf(out, "; %d were put aside", len(f.aside))
	}
	if f.kept > 0 {
		fmt.Fprintf(out, "; %d sessions stay in %s: no git remote says which repository they are about", f.kept, f.log.Dir)
	}
	fmt.Fprintln(out)
}

// expire deletes sessions that could not be sent within the time of hook.keep, and logs each.
func (f *flushing) expire() error {
	keep := time.Duration(f.settings.Hook.Keep)
	if keep == 0 {
		return nil
	}
	lost, err := f.log.Expire(time.Now().Add(-keep))
	for _, name := range lost {
		f.log.Complain(time.Now(), fmt.Errorf("session %s could not be sent for %s (hook.keep) and is deleted", name, keep))
	}
	return err
}

// all sends each session. An error in one does not stop the others.
func (f *flushing) all(ctx context.Context) error {
	unlock, ok, err := f.log.Lock()
	if err != nil || !ok {
		f.busy = err == nil
		return err
	}
	defer unlock()
	if err := f.expire(); err != nil {
		return err
	}
	names, err := f.log.Sessions()
	if err != nil {
		return err
	}
	defer f.close(ctx)
	var errs []error
	for _, name := range names {
		if err := f.session(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("session %s was not sent completely and will be tried again: %w", name, err))
		}
	}
	return errors.Join(append(errs, f.seals(ctx))...)
}

// session sends what is new in a session, and marks it as done once everything is sent.
func (f *flushing) session(ctx context.Context, name string) error {
	session, err := f.log.Read(name)
	if err != nil || len(session.Lines) == 0 {
		return err
	}
	var events []event.Event
	for _, c := range hook.Convert(session, f.settings.hookOptions(ctx, f.log, session)) {
		if _, known := c.Event.Extensions()["partitionkey"]; !known {
			f.kept++ // either all events have a repository or none: one remote in the session is enough
			return nil
		}
		if c.Line >= session.Sent {
			events = append(events, c.Event)
		}
	}
	var errs []error
	if len(events) > 0 {
		w, err := f.way(ctx, session.Begun)
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(events, 50) {
			errs = append(errs, w.explain(f.send(ctx, w.producer, name, chunk)))
		}
	}
	errs = append(errs, f.broken(session))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	last := session.Lines[len(session.Lines)-1]
	over := bytes.Contains(last.Hook, []byte(`"SessionEnd"`)) || !last.At.IsZero() && time.Since(last.At) > 30*24*time.Hour
	if len(session.Lines) == session.Sent && !over {
		return nil
	}
	return f.log.Done(name, len(session.Lines), over)
}

// send sends events of a session. If one of them is refused, it sends each alone and puts aside
// what is refused permanently. The error is about what must be sent again.
func (f *flushing) send(ctx context.Context, p *producer.Producer, name string, events []event.Event) error {
	err := p.Publish(ctx, events...)
	switch {
	case err == nil:
		f.sent += len(events)
		return nil
	case len(events) > 1 && (errors.Is(err, producer.ErrPermanent) || errors.Is(err, producer.ErrRefused)):
		var errs []error
		for i := range events {
			errs = append(errs, f.send(ctx, p, name, events[i:i+1]))
		}
		return errors.Join(errs...)
	case !errors.Is(err, producer.ErrPermanent):
		return err
	}
	text, encoding := events[0].MarshalJSON()
	if encoding != nil {
		text = events[0].Data() // better than nothing
	}
	file, fresh, failed := f.log.SetAside(name, ".jsonl", text)
	if failed != nil || !fresh {
		return failed
	}
	f.aside = append(f.aside, fmt.Errorf("session %s: %w; it was put aside in %s; correct that file and send it with changetrail publish", name, err, file))
	return nil
}

// broken puts aside new lines that cannot be read.
func (f *flushing) broken(session *notes.Session) error {
	for _, i := range slices.Sorted(maps.Keys(session.Broken)) {
		if i < session.Sent {
			continue
		}
		file, fresh, err := f.log.SetAside(session.ID, ".lines", session.Broken[i])
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		f.aside = append(f.aside, fmt.Errorf("session %s: line %d cannot be read; it was put aside in %s", session.ID, i+1, file))
	}
	return nil
}

// seals uploads the session logs whose digests commits state, so that the digests resolve.
func (f *flushing) seals(ctx context.Context) error {
	return f.log.Sealed(func(content io.Reader, to notes.Begun) (taken bool, err error) {
		w, err := f.way(ctx, to)
		if err != nil || w.files == nil {
			return false, err
		}
		_, _, err = w.files.PutFrom(ctx, content)
		return err == nil, w.explain(err)
	})
}
