// Package schemas is the wire: it turns CloudEvents as they stand in Kafka
// into the events of package record, and records into search documents, and
// refuses what the JSON Schemas in this folder do not allow.
//
// The folder holds, embedded in the binary:
//
//   - events/*.json: a JSON Schema (2020-12) for the data of each event type;
//   - documents/*.json: a JSON Schema for each search document;
//   - index/<engine>/*.json: the mappings of the indexes that hold them.
//
// All of them are made from the types and tags of package record by
//
//	go test ./schemas -run TestGenerated -update
//
// and the same test fails where they differ, so that types, schemas and
// mappings cannot drift apart. [Check] walks the same tags at run time.
//
// Facts, envelopes and documents are read and written for every event, by
// readers and encoders that are made once from the same types and tags (read.go,
// encode.go). A reader takes only what is valid beyond doubt; what it does not
// take the general decoder reads, and says what is wrong with it.
//
// It does no I/O.
package schemas
