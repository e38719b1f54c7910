// Package detecttest makes the documents on which detections are tested: it runs the events beside
// the rules in deploy/siem/detections through the embedded mode, and returns what the index has.
//
// It is only for tests.
package detecttest
