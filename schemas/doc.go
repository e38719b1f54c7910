// Package schemas turns CloudEvents in Kafka into the events of package record, and records into
// search documents. It refuses events that the JSON Schemas in this folder do not allow.
//
// The binary embeds these files of the folder:
//
//   - events/*.json: a JSON Schema (2020-12) for the data of each event type;
//   - documents/*.json: a JSON Schema for each search document;
//   - index/<engine>/*.json: the mappings of their indexes.
//
// All of them are generated from the types and tags of package record by
//
//	go test ./schemas -run TestGenerated -update
//
// The same test fails if they differ, so that types, schemas and mappings cannot drift apart.
// [Check] uses the same tags at run time.
//
// Facts, envelopes and documents are read and written for every event, so that their readers and
// encoders are built once from the same types and tags (read.go, encode.go). A reader accepts only
// input that is valid beyond doubt; the general decoder reads the rest, and says what is wrong with
// it.
//
// It does no I/O.
package schemas
