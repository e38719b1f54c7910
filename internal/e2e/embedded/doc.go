// Package embedded tests the embedded mode as its users meet it: the binary,
// started as a process, a real browser, real Kafka clients, and kill -9.
//
// Its tests have the tag servers, and need Chromium and no Java.
package embedded
