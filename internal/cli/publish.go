package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/schemas"
)

func (a *app) publish() *cobra.Command {
	var structured bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "publish FILE…",
		Short: "Publish CloudEvents from files",
		Long: `Publishes CloudEvents in the JSON format: a single event, several events one after
another (JSON lines), or an array; - is standard input. All of them are checked first,
and if one is wrong, none is sent. To send the same file again is harmless: sender,
source and id identify an event. But an event without a time gets the current time, so
it differs when it is sent again.`,
		Example: `  changetrail publish decision.json review.json
  agent-log-export | changetrail publish -
  CHANGETRAIL_PRODUCER_TOKEN=ct_… changetrail publish --gateway http://127.0.0.1:8080 events.jsonl`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			events, err := readEvents(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			mode := producer.Binary
			if structured {
				mode = producer.Structured
			}
			return s.send(cmd, mode, timeout, events)
		},
	}
	cmd.Flags().BoolVar(&structured, "structured", false, "send in structured mode rather than binary")
	cmd.Flags().Var(spanOf(&timeout, 30*time.Second), "timeout", "how long to try")
	a.producerFlags(cmd)
	return cmd
}

func (a *app) producerFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "spool", "producer.spool", "folder that keeps events which cannot be sent now")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of a gateway, instead of Kafka")
	a.flag(cmd.Flags(), "blobs", "blobs", "where data of more than 64 KiB is stored: a folder, or a URL such as s3://bucket")
	a.flag(cmd.Flags(), "source", "producer.source", "CloudEvents source for events that have none")
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("no %s is given; see %s --help", what, cmd.CommandPath())}
		}
		return nil
	}
}

// readEvents reads and checks the events of all files, or reports all mistakes.
func readEvents(in io.Reader, files []string) ([]event.Event, error) {
	var events []event.Event
	var errs []error
	for _, name := range files {
		var text []byte
		var err error
		if name == "-" {
			text, err = io.ReadAll(in)
		} else {
			text, err = os.ReadFile(name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found, err := parseEvents(text)
		if err == nil && len(found) == 0 {
			err = errors.New("it contains no event")
		}
		if err != nil {
			errs = append(errs, mistake.In(name, err))
		}
		events = append(events, found...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("nothing was published:\n%w", err)
	}
	return events, nil
}

// readEvent reads one event and checks it. Mistakes that it detects itself get plainer messages
// than those of the SDK.
func readEvent(v jsontext.Value) (e event.Event, err error) {
	var parts struct {
		SpecVersion string  `json:"specversion"`
		Type        string  `json:"type"`
		ID          string  `json:"id"`
		Source      *string `json:"source"`
		Subject     string  `json:"subject"`
		Time        string  `json:"time"`
	}
	if err := json.Unmarshal(v, &parts); err != nil {
		return e, err
	}
	_, timeErr := time.Parse(time.RFC3339Nano, parts.Time)
	switch {
	case parts.SpecVersion == "" || parts.Type == "":
		return e, errors.New(`specversion or type is missing; an event has "specversion": "1.0" and one of the types that docs/events.md lists`)
	case parts.SpecVersion != "1.0":
		return e, fmt.Errorf("specversion is %q; only 1.0 is supported", parts.SpecVersion)
	case parts.Source != nil && strings.TrimSpace(*parts.Source) == "":
		return e, errors.New("source is empty; leave it out, or give a URI reference such as /agents/agent-bot-3000")
	case parts.Time != "" && timeErr != nil:
		return e, fmt.Errorf("time: %w", timeErr)
	}
	if err := e.UnmarshalJSON(v); err != nil {
		return e, errors.New("it is not a CloudEvent: source must be a URI reference such as /agents/agent-bot-3000, and names of attributes must consist of lower-case letters and digits")
	}
	return e, checkEvent(e)
}

// parseEvents reads a JSON event, several one after another, or arrays of them.
func parseEvents(text []byte) ([]event.Event, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	var events []event.Event
	var errs []error
	one := func(v jsontext.Value) {
		e, err := readEvent(v)
		if err != nil {
			before := text[:d.InputOffset()-int64(len(v))]
			errs = append(errs, &mistake.Mistake{
				Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n'),
				What: fmt.Sprintf("event %d: %s", len(events)+len(errs)+1, phrase.Error(err)),
			})
			return
		}
		events = append(events, e)
	}
	for {
		switch d.PeekKind() {
		case '[', ']':
			if _, err := d.ReadToken(); err != nil {
				return nil, phrase.JSON(text, err)
			}
			continue
		}
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return events, errors.Join(errs...)
		}
		if err != nil {
			return nil, phrase.JSON(text, err)
		}
		one(v.Clone())
	}
}

// send publishes events with the producer of the settings.
func (s *Settings) send(cmd *cobra.Command, mode producer.Mode, timeout time.Duration, events []event.Event) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	t, err := telemetry.Start(ctx, "changetrail-cli", thisBuild().version)
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }() // spans that do not reach a collector must not fail a publish
	p, done, err := s.producer(ctx, mode, producer.Options{Source: s.Producer.Source, Log: s.logger(cmd.ErrOrStderr()), Tracer: t.Tracer})
	if err != nil {
		return err
	}
	defer done()
	const chunk = 500
	for sent := 0; sent < len(events); {
		n := min(chunk, len(events)-sent)
		if err := p.Publish(ctx, events[sent:sent+n]...); err != nil {
			return fmt.Errorf("%d of %d events were published before this:\n%w", sent, len(events), err)
		}
		sent += n
		if len(events) > chunk {
			overwrite(cmd.ErrOrStderr(), "\r%d of %d events", sent, len(events))
		}
	}
	if len(events) > chunk {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	for _, e := range events {
		if len(events) <= 5 {
			fmt.Fprintf(cmd.OutOrStdout(), "published %s %s\n", e.Type(), e.ID())
		}
	}
	if len(events) > 5 {
		fmt.Fprintf(cmd.OutOrStdout(), "published %d events\n", len(events))
	}
	err = p.Close(ctx)
	if n := p.Spooled(); n > 0 { // not an error: they are safe on disk
		fmt.Fprintf(cmd.ErrOrStderr(), "%d events are in the spool %s; the next publish with this spool sends them\n", n, s.Producer.Spool)
		return nil
	}
	return err
}

// checkEvent finds in advance what a gateway or an enricher would refuse in e. Only they can
// check data that are stored elsewhere.
func checkEvent(e event.Event) error {
	if err := producer.Check(e); err != nil {
		return err
	}
	env := producer.Envelope(&e)
	if env.DataRef != "" && len(env.Data) == 0 {
		return nil
	}
	_, err := ingest.Reader{Early: true}.Read(context.Background(), env, nil, time.Now())
	if refusal := schemas.AsRefusal(err); refusal != nil && refusal.Reason == schemas.UnknownType && !strings.HasPrefix(e.Type(), "dev.changetrail.") {
		return nil // an event of another vendor, which the producer accepts with its partitionkey
	}
	return err
}
