// Package redteam runs a scripted adversary against a running changetrail up. The adversary has an
// agent's token, a shell in a work tree, the Kafka port and a page in somebody's browser. After each
// move the tests check that no answer moved towards proven, that the adversary read nothing of
// others, that memory stayed below 1 GB, and that others were served within twice the usual time.
//
// Its tests have the tag servers, and need neither Java nor a browser.
package redteam
