// Package oracle compares the product with a second reading of docs/trust.md. Its tests generate
// histories of changes, judge each one by a naive program that looks at all events at once, and
// compare answers and gaps with the record that the enricher makes of the same events.
package oracle
