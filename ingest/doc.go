// Package ingest reads events. It is the only reader: gateways, enrichers, a rebuild and the checks
// of the command line all read events here, in the same way and with the same reasons for a
// refusal.
//
// Reading an event is complete: data that are elsewhere (dataref) are fetched, own types and those
// of code hosts become a fact, the attached report is read, and the subject of the event is decided
// once. Whether the sender may publish it is decided on the result ([Allow]), by gateways and again
// by enrichers.
//
// Its only I/O is to fetch a blob.
package ingest
