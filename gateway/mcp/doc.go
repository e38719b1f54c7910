// Package mcp serves agents while they work, over the Model Context Protocol
// (https://modelcontextprotocol.io): an agent asks whether it may change something without a person,
// and what is recorded about a change; it states what it decided and why, and which reports it read.
//
// The answer to a decision says what an auditor will miss in it, while that can still be mended, and
// contains the trailers that lead from the commit to the decision.
package mcp
