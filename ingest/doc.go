// Package ingest reads events. It is the only reader: what gateways answer, what
// enrichers fold, what a rebuild counts again and what the command line says
// beforehand are all read here, in one way, with the same reasons for a refusal.
//
// An event is read whole: data that lie elsewhere (dataref) are fetched first, own
// types and those of code hosts become a fact, the report that it carries is read,
// and what it is about is decided once. Who may say it is decided on the result
// ([Allow]), by gateways and again by enrichers.
//
// Its only I/O is to fetch a blob.
package ingest
