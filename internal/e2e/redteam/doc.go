// Package redteam sets a scripted adversary at a running changetrail up: it holds an agent's
// token, a shell in a work tree, the Kafka port and a page in somebody's browser. After each
// of its moves the tests hold that no answer moved towards proven, that nothing was read which
// is not the adversary's, that memory stayed below 1 GB, and that others were served in twice
// the usual time.
//
// Its tests have the tag servers, and need neither Java nor a browser.
package redteam
