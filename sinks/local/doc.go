// Package local is the index of the embedded mode: records, events and findings
// in one SQLite file, with an index over the records in memory.
//
// The file is the truth. Each record stands in it with its terms and numbers
// (numbers are also dates) as integers, so that the index in memory, bitmaps by
// term and columns of numbers, is built from it without reading JSON. Every
// process that opens the folder keeps an index of its own and takes over, before
// each search, what was written since; there is one writer.
//
// It answers the tree of package query as the two engines do, and refuses
// documents as they do: by the same mapping.
//
// It imports query, schemas and sinks. It alone imports SQLite and roaring.
package local
