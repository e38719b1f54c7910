package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A Health is one statement about the pipeline itself, as it is stored in the search index, so that
// alerts about it can be set where the other alerts are.
type Health struct {
	Timestamp time.Time      `json:"@timestamp" schema:"required" index:"date" doc:"start of the interval in which it was measured; of a dead letter, when it was refused; of a silence, when it began to be too long"`
	Message   string         `json:"message,omitempty" index:"text"`
	ECS       record.Version `json:"ecs"`
	Event     HealthEvent    `json:"event"`
	Trail     HealthTrail    `json:"changetrail"`
}

// HealthEvent is ECS event.* of a [Health].
type HealthEvent struct {
	Kind     string    `json:"kind" index:"keyword" doc:"metric for what is measured in every interval, event for a dead letter, alert for a silence"`
	Category []string  `json:"category" index:"keyword"`
	Type     []string  `json:"type" index:"keyword"`
	Dataset  string    `json:"dataset" index:"keyword"`
	Module   string    `json:"module" index:"keyword"`
	Outcome  string    `json:"outcome" index:"keyword"`
	Created  time.Time `json:"created" index:"date" doc:"when the document was written"`
}

// HealthTrail is changetrail.* of a [Health].
type HealthTrail struct {
	Health HealthFacts `json:"health"`
}

// Kinds of [HealthFacts].
const (
	HealthLag     = "lag"
	HealthLetter  = "dead-letter"
	HealthSource  = "source"
	HealthSilence = "silence"
)

// States of [HealthFacts]. What could not be measured is unknown, which is not ok.
const (
	HealthOK      = "ok"
	HealthStopped = "stopped"
	HealthRefused = "refused"
	HealthSilent  = "silent"
	HealthUnknown = "unknown"
)

// HealthFacts is what was measured.
type HealthFacts struct {
	Kind   string `json:"kind" schema:"enum=lag|dead-letter|source|silence" index:"keyword" doc:"lag: how far a part of the pipeline is behind; dead-letter: one message that was refused; source: when a source was last heard; silence: a source that was heard regularly is silent for longer than before, one document for each silence"`
	Status string `json:"status" schema:"enum=ok|stopped|refused|silent|unknown" index:"keyword" doc:"stopped: no process does the work of a part; refused: a dead letter; silent: a source that is silent for longer than before; unknown: it could not be measured, or a source was heard on too few days to know how often it sends"`
	Name   string `json:"name,omitempty" index:"keyword" doc:"of a lag, the consumer group; of a dead letter, the reason; of a source or a silence, the source as event.provider has it"`
	Error  string `json:"error,omitempty" index:"text" doc:"why it could not be measured"`
	// Of a lag.
	Behind  *int64 `json:"behind,omitempty" index:"long" doc:"messages that the part still has to read"`
	Members *int64 `json:"members,omitempty" index:"long" doc:"processes that do its work"`
	// Of a dead letter.
	Detail    string `json:"detail,omitempty" index:"text" doc:"what is wrong with the message, without its content"`
	Stage     string `json:"stage,omitempty" index:"keyword" doc:"the part that refused it"`
	Topic     string `json:"topic,omitempty" index:"keyword" doc:"from which it came"`
	Partition *int64 `json:"partition,omitempty" index:"long"`
	Offset    *int64 `json:"offset,omitempty" index:"long"`
	// Of a source or a silence.
	LastAt      time.Time `json:"last_at,omitzero" index:"date" doc:"when its newest event arrived"`
	SilentHours *int64    `json:"silent_hours,omitempty" index:"long" doc:"full hours since then"`
	Days        *int64    `json:"days,omitempty" index:"long" doc:"days (UTC) of the last 30 on which it was heard"`
	LongestDays *int64    `json:"longest_days,omitempty" index:"long" doc:"the longest time from a day on which it was heard to the next such day, in days"`
}

// Heard says that events of a source arrived on a day.
type Heard struct {
	Source string
	Day    time.Time // its beginning, UTC
	Last   time.Time // when the newest of them arrived
}

// HealthAlias is the alias of the indexes of all statements about the pipeline.
const HealthAlias = "changetrail-health"

// HealthIndexes is the pattern of the indexes of a namespace with statements about the pipeline.
func HealthIndexes(namespace string) string { return "changetrail-health-" + namespace + "-*" }

// HealthIndex returns the index of the statements of a month about the pipeline.
func HealthIndex(namespace string, t time.Time) string {
	return "changetrail-health-" + namespace + "-" + t.UTC().Format("2006.01")
}

var healthEncoder = encoderOf(reflect.TypeFor[Health](), byName)

// Append appends h to b as JSON on one line.
func (h *Health) Append(b []byte) []byte { return healthEncoder.append(b, h) }

// Describe sets what follows from the facts of h, and when it is written.
func (h *Health) Describe(written time.Time) {
	kind, outcome := "metric", "success"
	switch h.Trail.Health.Kind {
	case HealthLetter:
		kind = "event"
	case HealthSilence:
		kind = "alert"
	}
	switch h.Trail.Health.Status {
	case HealthRefused, HealthStopped, HealthSilent:
		outcome = "failure"
	case HealthUnknown:
		outcome = "unknown"
	}
	h.ECS = record.Version{Version: record.ECSVersion}
	h.Event = HealthEvent{
		Kind: kind, Category: []string{"process"}, Type: []string{"info"}, Dataset: "changetrail.health", Module: "changetrail", Outcome: outcome, Created: written.UTC(),
	}
}

// HealthID returns the id of a document from the parts of what it states.
func HealthID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:20])
}
