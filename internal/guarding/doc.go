// Package guarding does the work of the hook that asks the gate before a tool of an agent runs. The
// commands changetrail hook gate and changetrail-hook-gate both use it.
//
// It fails closed: whatever it cannot read, find out or reach, the tool does not run. Tools that only
// read run at once, without a request.
//
// The agent waits for it, so it imports little besides net/http.
package guarding
