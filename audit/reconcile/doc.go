// Package reconcile compares the history of a production branch with the records of its changes, in
// both directions.
//
// The history comes from a clone or from the API of a code host (package audit/history), the records
// from an index or a file. [Compare] is a function of both: it reads no file and asks no clock.
// Each difference is a [Finding] of one of four kinds: a dark change was merged or deployed and never
// recorded; a ghost is recorded and in no history; a wrong head differs from the history; rewritten
// history no longer contains what was recorded. What cannot be compared is named in the report and
// is never counted as equal.
//
// It imports record and the standard library.
package reconcile
