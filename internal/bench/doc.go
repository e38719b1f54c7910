// Package bench measures the pipeline beside its floor, in the same run and on
// the same servers: what a program reaches that does nothing but move the
// bytes. Its tests have the build tag "bench"; make bench runs them and prints
// the table that stands in docs/performance.md.
package bench
