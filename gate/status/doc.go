// Package status shows the gate's answers at code hosts: as a commit status of GitHub, or as an
// external status check of GitLab, on the newest commit of each open change.
//
// A [Worker] hears of open changes (package gate/pending) and asks the gate itself about each that
// differs, so that the answer is on the stream before anybody sees it. What a host shows is never
// older than the newest answer that was posted: one process posts at a time (stream.Alone), one
// request about a change at a time, and a request whose result is unknown is looked up before the
// next one. If the gate cannot tell, no success stays: the host shows an error.
//
// It imports gate, gate/pending and stream.
package status
