// Package bench measures the pipeline beside its floor, in the same run and on
// the same servers: what a program reaches that does nothing but move the
// bytes. Its tests have the build tag "bench"; make bench runs them and prints
// the tables that stand in docs/performance.md.
//
// The enricher has two floors. The moving floor produces again each event that it
// consumes. The work floor produces what an enricher wrote of these events, recorded
// before: the same messages, in transactions of as many events.
//
// Environment variables set what is measured:
//
//	CHANGETRAIL_BENCH_CHANGES  how many changes of 20 events a comparison takes; 8,000
//	CHANGETRAIL_BENCH_MANY     how many changes make a large state; 50,000
//	CHANGETRAIL_BENCH_FORMER   program of a former version, to be compared with this one
package bench
