package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/instances"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/local"
)

// demoData is the data folder of the demo.
const demoData = "changetrail-demo"

// A place is where commands read records: an embedded instance or a search engine.
type place struct {
	instance instances.Instance // none if Data is empty
	running  bool
	engine   string // none if empty
	given    bool   // the user named it
}

// String describes the place for messages.
func (p place) String() string {
	switch {
	case p.instance.Data == "":
		return p.engine
	case p.running && p.instance.Page != "":
		return p.short() + " (running, " + p.instance.Page + ")"
	case p.running:
		return p.short() + " (running)"
	}
	return p.short() + " (stopped)"
}

func (p place) short() string {
	here, err := os.Getwd()
	if err != nil {
		return p.instance.Data
	}
	return p.instance.Short(here)
}

// look finds where to read records: what the settings name; else the instance in the working
// folder, a running one before a stopped one; else an instance of this user elsewhere; else the
// search engine, if it answers. It does not guess between several: the records of another
// company would look like an answer, too.
func (s *Settings) look(ctx context.Context) (place, error) {
	switch s.Store {
	case "":
	case schemas.OpenSearch, schemas.Elasticsearch:
		return place{engine: s.Store, given: true}, nil
	default:
		p := s.placeOf(ctx, s.Store)
		p.given = true
		return p, nil
	}
	if !s.IsSet("local.data") && s.hasIndex() && (s.IsSet("sink.addresses") || s.IsSet("sink.engine")) {
		return place{engine: s.Sink.Engine, given: true}, nil
	}
	here := []string{s.Local.Data}
	if !s.IsSet("local.data") {
		here = append(here, demoData)
	}
	if p, err := only(s.places(ctx, here...)); err != nil || p.instance.Data != "" {
		return p, err
	}
	var elsewhere []string
	for _, i := range instances.Known(s.state) {
		elsewhere = append(elsewhere, i.Data)
	}
	if p, err := only(s.places(ctx, elsewhere...)); err != nil || p.instance.Data != "" {
		return p, err
	}
	return s.engineThatAnswers(ctx)
}

// places returns the data folders that have an index.
func (s *Settings) places(ctx context.Context, folders ...string) (out []place) {
	for _, folder := range folders {
		if instances.Exists(folder, local.FileName) {
			out = append(out, s.placeOf(ctx, folder))
		}
	}
	return out
}

// placeOf returns the instance of a data folder. What the folder says about it counts only if
// the user's own state folder lists it, too: a work tree may contain somebody else's data folder.
func (s *Settings) placeOf(ctx context.Context, folder string) place {
	i := instances.In(folder)
	out := place{instance: instances.Instance{Data: i.Data}, running: i.Running(ctx)}
	for _, known := range instances.Known(s.state) {
		if known.Data == i.Data {
			out.instance = known
		}
	}
	return out
}

// only returns the one place that runs, or the only one; it is an error if there are several.
func only(places []place) (place, error) {
	var running []place
	for _, p := range places {
		if p.running {
			running = append(running, p)
		}
	}
	if len(running) > 0 {
		places = running
	}
	switch len(places) {
	case 0:
		return place{}, nil
	case 1:
		return places[0], nil
	}
	var names []string
	for _, p := range places {
		names = append(names, p.String())
	}
	return place{}, usageError{fmt.Errorf("there are several instances to read: %s; choose one with --store FOLDER", strings.Join(names, ", "))}
}

// engineThatAnswers returns the search engine of the settings, if it answers.
func (s *Settings) engineThatAnswers(ctx context.Context) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	engine, err := s.engine()
	if err != nil {
		return place{}, err
	}
	if _, err := engine.Version(ctx); err != nil {
		return place{}, fmt.Errorf("there is nothing to read: no data folder (%s or %s) is in this folder, no changetrail instance of yours runs, and no %s answers at %s. Start changetrail demo or changetrail up, or say where the records are with --store FOLDER, or --engine and --url",
			s.Local.Data, demoData, s.Sink.Engine, config.Shown(strings.Join(s.Sink.Addresses, ", ")))
	}
	return place{engine: s.Sink.Engine}, nil
}

// inFolder returns an error if a data folder lacks a part, such as its index.
func inFolder(folder, part string) error {
	if _, err := os.Stat(filepath.Join(folder, part)); err == nil {
		return nil
	}
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("there is no folder %s; changetrail up --data %s creates it, and changetrail demo creates %s", folder, folder, demoData)
	}
	return errors.New(folder + " is not a data folder of changetrail: it has no " + part + "; changetrail up --data FOLDER creates one")
}
