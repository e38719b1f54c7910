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

// A place is where commands look: an embedded instance, or a search engine.
type place struct {
	instance instances.Instance // none where Data is empty
	running  bool
	engine   string // none where empty
	given    bool   // somebody said so
}

// String says which place it is.
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

// look finds where to look. What the settings name is taken; else the instance of the
// working folder, one that runs before one that is stopped; else one of the person's that
// lies elsewhere; else the search engine, if it answers. Where there are several there is
// no guess: records of another company would be an answer, too.
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
	if !s.IsSet("local.data") && (s.IsSet("sink.addresses") || s.IsSet("sink.engine")) {
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

// places are the data folders that hold an index.
func (s *Settings) places(ctx context.Context, folders ...string) (out []place) {
	for _, folder := range folders {
		if instances.Exists(folder, local.FileName) {
			out = append(out, s.placeOf(ctx, folder))
		}
	}
	return out
}

// placeOf is the instance of a data folder. What it wrote down there is believed where the
// person's own folder says the same: a work tree may hold a data folder of somebody else.
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

// only is the one place of several that is meant: the one that runs, or the only one.
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
	return place{}, misuse{fmt.Errorf("there are several places to look: %s; say which with --store FOLDER", strings.Join(names, ", "))}
}

// engineThatAnswers is the search engine of the settings, if there is one.
func (s *Settings) engineThatAnswers(ctx context.Context) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	engine, err := s.engine()
	if err != nil {
		return place{}, misuse{err}
	}
	if _, err := engine.Version(ctx); err != nil {
		return place{}, fmt.Errorf("there is nothing to read: no data folder (%s or %s) is in this folder, no changetrail of yours runs, and no %s answers at %s. Start changetrail demo or changetrail up, or say where records are with --store FOLDER, or --engine and --url",
			s.Local.Data, demoData, s.Sink.Engine, config.Shown(strings.Join(s.Sink.Addresses, ", ")))
	}
	return place{engine: s.Sink.Engine}, nil
}

// inFolder is an error where a data folder does not hold a part, as its index.
func inFolder(folder, part string) error {
	if _, err := os.Stat(filepath.Join(folder, part)); err == nil {
		return nil
	}
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("there is no folder %s; changetrail up --data %s begins one, and changetrail demo begins %s", folder, folder, demoData)
	}
	return errors.New(folder + " is not a data folder of changetrail: it has no " + part + "; changetrail up --data FOLDER begins one")
}
