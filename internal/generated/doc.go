// Package generated checks in tests that a file, or a marked part of it, is what the code generates,
// and writes it if the test runs with -update.
package generated
