package bulk

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/sinks"
)

// An itemError is an engine's description of why it did not store a document.
type itemError struct {
	Type     string     `json:"type"`
	Reason   string     `json:"reason"`
	CausedBy *itemError `json:"caused_by"`
}

type item struct {
	Status       int       `json:"status"`
	Error        itemError `json:"error"`
	FailureStore string    `json:"failure_store"` // of Elasticsearch, see [failureStoreUsed]
}

// failureStoreUsed says that a document went to the failure store of its data stream instead of the
// stream (Elasticsearch 8.19 and newer). The status is that of a success.
const failureStoreUsed = "used"

// classify tells a repeat from a loss, and a fault of the document from a fault of the engine's
// configuration.
//
// A document is refused only if the answer says what is wrong with it. If the answer blames the
// index, its settings or its permissions, the document waits, whatever the status: engines answer
// 400 for a closed index and for a limit of shards. Another 4xx may mean either; the worker finds
// out, see [sinks.Unclear].
func classify(it item) sinks.Outcome {
	out := sinks.Outcome{Cause: it.Error.Type, Reason: it.Error.text()}
	switch s := it.Status; {
	case it.FailureStore == failureStoreUsed:
		out.Kind, out.Cause = sinks.Refused, "failure_store"
		out.Reason = "the engine put it into the failure store of the data stream, where no search finds it; GET <data stream>::failures/_search says why"
	case s >= 200 && s < 300:
		return sinks.Outcome{Kind: sinks.Done}
	case s == http.StatusConflict && it.Error.Type == "version_conflict_engine_exception":
		out.Kind = sinks.Stale
	case s == http.StatusTooManyRequests && !it.Error.is(blocks):
		out.Kind = sinks.Retry
	case s == http.StatusForbidden, s == http.StatusUnauthorized, s == http.StatusNotFound, it.Error.is(ofTheIndex):
		out.Kind = sinks.Blocked
	case s >= http.StatusInternalServerError, s < http.StatusBadRequest, s == http.StatusConflict, s == http.StatusRequestTimeout:
		out.Kind = sinks.Retry
	case it.Error.is(ofTheDocument):
		out.Kind = sinks.Refused
	default:
		out.Kind = sinks.Unclear
	}
	return out
}

// An errorKind recognizes errors by their type and by the beginning of their reason. Only the
// beginning is checked: the rest may quote the document, and an agent that writes "index closed"
// into its document must not block an index.
type errorKind struct {
	types   []string
	reasons *regexp.Regexp // nil: none
}

// blocks are errors that persist until somebody acts, although some engines answer 429 for them.
var blocks = errorKind{types: []string{"cluster_block_exception"}}

// ofTheIndex are errors that any document would cause: they come from the state of the index, its
// settings, or the limits of the cluster.
var ofTheIndex = errorKind{
	[]string{
		"cluster_block_exception", "index_closed_exception", "index_not_found_exception", "index_template_missing_exception",
		"invalid_index_name_exception", "invalid_index_template_exception", "invalid_alias_name_exception", "invalid_type_name_exception",
		"resource_already_exists_exception", "resource_not_found_exception", "routing_missing_exception", "security_exception",
		"snapshot_in_progress_exception", "validation_exception", // no more shards
	},
	regexp.MustCompile(`(?i)^(\[\d+:\d+\] )?(failed to parse: |validation failed: 1: )?(` + strings.Join([]string{
		`pipeline with id \[[^\]]*\] does not exist`,
		`no write index is defined for`,
		`\[require_(alias|data_stream)\]`,
		`only write ops with an op_type of create are allowed in data streams`,
		`failed to parse mapping`, // of a template
		`root mapping definition has unsupported parameters`,
		`limit of (total fields|mapping depth|nested fields|field name length) \[\d+\] has been exceeded`,
		`this action would add \[\d+\] (total )?shards`,
	}, "|") + `)`),
}

// ofTheDocument are errors that say what is wrong with one document.
var ofTheDocument = errorKind{
	[]string{
		"mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception", "mapper_exception", "parsing_exception",
		"parse_exception", "x_content_parse_exception", "x_content_e_o_f_exception", "json_parse_exception", "json_e_o_f_exception",
		"not_x_content_exception", "number_format_exception", "date_time_parse_exception", "max_bytes_length_exceeded_exception",
	},
	regexp.MustCompile(`(?i)^(document contains at least one immense term|validation failed: 1: id \[?.* is too long|data stream timestamp field|documents must contain a single-valued timestamp field)`),
}

// is reports whether e, or one of its causes, is of a kind.
func (e *itemError) is(kind errorKind) bool {
	for ; e != nil; e = e.CausedBy {
		if slices.Contains(kind.types, e.Type) || kind.reasons != nil && kind.reasons.MatchString(e.Reason) {
			return true
		}
	}
	return false
}

// text is the type and reason of e, with its causes.
func (e *itemError) text() string {
	out := e.Type + ": " + e.Reason
	for c := e.CausedBy; c != nil; c = c.CausedBy {
		if c.Reason != "" {
			out += " (" + c.Reason + ")"
		}
	}
	return out
}

// whole returns the outcome of the only document of a request that was answered as a whole, for
// example because its id is too long.
func whole(status int, answer []byte) sinks.Outcome {
	var said struct {
		Error itemError `json:"error"`
	}
	if err := json.Unmarshal(answer, &said); err != nil || said.Error.Type == "" {
		return sinks.Outcome{Kind: sinks.Unclear, Cause: http.StatusText(status), Reason: printable.Beginning(answer, 300)}
	}
	return classify(item{Status: status, Error: said.Error})
}
