package cli

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

// embedded checks an instance of the embedded mode, which needs no Kafka and no search engine.
func (c *checkup) embedded(ctx context.Context, s *Settings, at place) {
	folder := at.instance.Data
	if err := inFolder(at.short(), local.FileName); err != nil {
		c.fail("data folder", "name the folder of an instance with --store", err)
		return
	}
	c.index(ctx, folder)
	if !at.running {
		again := commandLine(thisStart().command(), "up", "--data", at.short())
		if at.instance.Command == "demo" {
			again = commandLine(thisStart().command(), "demo", "--data", at.short())
		}
		c.warn("instance", "start it: "+again, "%s is stopped: no events are accepted", config.Shown(at.short()))
		return
	}
	c.ok("instance", "%s", config.Shown(at.String()))
	c.page(ctx, at.instance.Page)
	c.pipeline(ctx, s, standalone.Broker(folder))
}

// index checks that records can be read.
func (c *checkup) index(ctx context.Context, folder string) {
	x, err := local.Open(ctx, folder, false)
	if err != nil {
		c.fail("index", "stop the instance, and make a copy of the folder before you do anything else", err)
		return
	}
	defer func() { _ = x.Close() }() // it was only read
	found, err := x.Search(ctx, query.Request{Where: query.All{}})
	if err != nil {
		c.fail("index", "try again; if it fails again, rebuild the index from the events (docs/embedded.md)", err)
		return
	}
	c.ok("index", "%d records in %s", found.Total, filepath.Join(folder, local.FileName))
}

// page checks that the page answers.
func (c *checkup) page(ctx context.Context, address string) {
	if address == "" {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err == nil {
		var res *http.Response
		if res, err = http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close() // there is no body
			c.ok("page", "%s answers", address)
			return
		}
	}
	c.fail("page", "see what the instance printed when it started", errors.New(phrase.Error(err)))
}

// pipeline checks how far behind the enricher and the sink of an instance are, and reports dead
// letters.
func (c *checkup) pipeline(ctx context.Context, s *Settings, kafka stream.Config) {
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		c.fail("broker", "start the instance again", err)
		return
	}
	defer admin.Close()
	for name, group := range map[string]string{"enricher": enricher.Group(s.topics()), "sink": sinks.Group(s.topics(), local.Name)} {
		c.group(ctx, admin, consumers{name, group, "start the instance again"})
	}
	c.letters(ctx, kafka, s.topics(), strings.TrimSpace(thisStart().command()+" letters")+" lists them and says what to do")
}
