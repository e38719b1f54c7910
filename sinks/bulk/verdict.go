package bulk

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/sinks"
)

// An itemError is what an engine says of a document that it did not store.
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

// failureStoreUsed says that a document went to the failure store of its data stream and
// not to the stream (Elasticsearch 8.19 and newer). The status is that of a success.
const failureStoreUsed = "used"

// classify tells a repeat from a loss, and the fault of a document from the fault of the
// engine's configuration.
//
// A document is refused only where the answer says what is wrong with it. What says that
// the index, its settings or its rights are at fault is waited for, whatever the status:
// engines answer 400 for a closed index and for a limit of shards. Another 4xx may be
// either: the worker finds out, see [sinks.Unclear].
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

// An errorKind is how errors are recognized: by their type, and by how their reason begins.
// Only the beginning counts: what follows may quote the document, and an agent that writes
// "index closed" into its document must not stop an index.
type errorKind struct {
	types   []string
	reasons *regexp.Regexp // nil: none
}

// blocks stay until somebody acts, although some engines answer 429 for them.
var blocks = errorKind{types: []string{"cluster_block_exception"}}

// ofTheIndex are errors that would come for any document: of how the index is, of how it
// is set, and of what the cluster lets it do.
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

// ofTheDocument are errors that tell what is wrong with one document.
var ofTheDocument = errorKind{
	[]string{
		"mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception", "mapper_exception", "parsing_exception",
		"parse_exception", "x_content_parse_exception", "x_content_e_o_f_exception", "json_parse_exception", "json_e_o_f_exception",
		"not_x_content_exception", "number_format_exception", "date_time_parse_exception", "max_bytes_length_exceeded_exception",
	},
	regexp.MustCompile(`(?i)^(document contains at least one immense term|validation failed: 1: id \[?.* is too long|data stream timestamp field|documents must contain a single-valued timestamp field)`),
}

// is reports whether e, or what caused it, is of a kind.
func (e *itemError) is(kind errorKind) bool {
	for ; e != nil; e = e.CausedBy {
		if slices.Contains(kind.types, e.Type) || kind.reasons != nil && kind.reasons.MatchString(e.Reason) {
			return true
		}
	}
	return false
}

// text is what e says, with its causes.
func (e *itemError) text() string {
	out := e.Type + ": " + e.Reason
	for c := e.CausedBy; c != nil; c = c.CausedBy {
		if c.Reason != "" {
			out += " (" + c.Reason + ")"
		}
	}
	return out
}

// whole is what became of the only document of a request that was answered with a status
// of its own, as where its id is too long.
func whole(status int, answer []byte) sinks.Outcome {
	var said struct {
		Error itemError `json:"error"`
	}
	if err := json.Unmarshal(answer, &said); err != nil || said.Error.Type == "" {
		return sinks.Outcome{Kind: sinks.Unclear, Cause: http.StatusText(status), Reason: clip(answer, 300)}
	}
	return classify(item{Status: status, Error: said.Error})
}
