package query

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A Request is a search for an index. The hits are ordered by Sort, then by the id of the change.
type Request struct {
	Where      Node
	Skip, Size int
	Sort       Sort
	Facets     []string      // keyword fields whose values are counted
	FacetSize  int           // values of each, the most frequent first; 0 means 20
	Interval   time.Duration // of the histogram over @timestamp; 0 means none
}

// A Sort is the order of hits, by a field of kind Date or Number. Hits without a value come last.
// The zero value is the newest first, by @timestamp.
type Sort struct {
	Field     Field
	Ascending bool
}

// A Result is the result of a search.
type Result struct {
	Total     int
	Hits      []Hit
	Facets    map[string][]Count
	Histogram []Bucket // buckets with records, in order of time
}

// A Hit is one record.
type Hit struct {
	ID  string
	Doc jsontext.Value
}

// A Count is the number of records with a value.
type Count struct {
	Value string
	N     int
}

// A Bucket is the number of records in an interval of time.
type Bucket struct {
	Start time.Time
	N     int
}

// DefaultFacetSize is the default number of values of a facet.
const DefaultFacetSize = 20

// ErrSlow reports a search that exceeded the time limit.
var ErrSlow = errors.New("the search took too long and was stopped; narrow it: a shorter time, fewer words, or words instead of phrases and wildcards")
