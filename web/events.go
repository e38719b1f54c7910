package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/replay"
)

// eventsPerPage is how many events of a change a page lists.
const eventsPerPage = 100

// A listing is one page of the events of a change.
type listing struct {
	Events      []replay.Event
	Count       string // how many there are, and how many of them are here
	Order       replay.Order
	Asked       bool // the reader asked for a page or an order
	First, Last int
	Total       int
	Orders      []ordering
	Before      string // address of the page before, empty where there is none
	Next        string
	All         string // address of all of them as JSON
}

// An ordering is an order that can be asked for.
type ordering struct {
	Label, Link string
	Chosen      bool
}

// list returns the page of the events that a request asks for: order and events, the number
// of the page.
func list(story *replay.Story, asked url.Values) (*listing, error) {
	l := &listing{Order: replay.ByStated, Total: len(story.Events), Count: story.Count(), Asked: asked.Has("order") || asked.Has("events")}
	switch o := replay.Order(asked.Get("order")); o {
	case "", replay.ByStated:
	case replay.ByArrival:
		l.Order = o
	default:
		return nil, refuse(http.StatusBadRequest, "order %q is neither %s nor %s", o, replay.ByStated, replay.ByArrival)
	}
	pages := max(1, (l.Total+eventsPerPage-1)/eventsPerPage)
	page := 1
	if text := asked.Get("events"); text != "" {
		var err error
		if page, err = strconv.Atoi(text); err != nil || page < 1 || page > pages {
			return nil, refuse(http.StatusBadRequest, "events=%s is not a page from 1 to %d", text, pages)
		}
	}
	first := (page - 1) * eventsPerPage
	last := min(first+eventsPerPage, l.Total)
	l.Events, l.First, l.Last = story.In(l.Order)[first:last], first+1, last
	at := changePath(string(story.ID()))
	link := func(o replay.Order, page int) string {
		return at + "?" + url.Values{"order": {string(o)}, "events": {strconv.Itoa(page)}}.Encode() + "#events"
	}
	if page > 1 {
		l.Before = link(l.Order, page-1)
	}
	if page < pages {
		l.Next = link(l.Order, page+1)
	}
	l.Orders = []ordering{
		{"by the time stated", link(replay.ByStated, 1), l.Order == replay.ByStated},
		{"by arrival", link(replay.ByArrival, 1), l.Order == replay.ByArrival},
	}
	l.All = "/v1" + at + "/events"
	return l, nil
}

// apiEvents answers GET /v1/changes/{id}/events: every event as it is indexed, one a line, in
// the order of the times that they state.
func (s *server) apiEvents(w http.ResponseWriter, r *http.Request, story *replay.Story) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return story.Each(r.Context(), func(doc jsontext.Value) error {
		_, err := fmt.Fprintf(w, "%s\n", doc)
		return err
	})
}
