// Package capture keeps what a program prints, so that a test can read it while the program runs.
package capture
