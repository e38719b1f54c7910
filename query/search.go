package query

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A Request is a search as an index answers it. What is found is ordered as Sort says, then by
// the id of the change.
type Request struct {
	Where      Node
	Skip, Size int
	Sort       Sort
	Facets     []string      // keyword fields whose values are counted
	FacetSize  int           // values of each, the most frequent first; 20 where 0
	Interval   time.Duration // of the histogram over @timestamp; none where 0
}

// A Sort is the order of what is found, by a field of kind Date or Number. What has no value comes
// last. The zero value is the newest first, by @timestamp.
type Sort struct {
	Field     Field
	Ascending bool
}

// A Result is what a search found.
type Result struct {
	Total     int
	Hits      []Hit
	Facets    map[string][]Count
	Histogram []Bucket // those with records, in order of time
}

// A Hit is one record.
type Hit struct {
	ID  string
	Doc jsontext.Value
}

// A Count is how many of the records have a value.
type Count struct {
	Value string
	N     int
}

// A Bucket is how many of the records fall in a piece of time.
type Bucket struct {
	Start time.Time
	N     int
}

// DefaultFacetSize is how many values of a facet are returned.
const DefaultFacetSize = 20

// ErrSlow reports a search that took longer than searches may.
var ErrSlow = errors.New("the search took too long and was given up; search for less: a shorter time, fewer words, or words in place of phrases and wildcards")
