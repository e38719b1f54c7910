// Package mcp lets an agent ask and tell while it works, over the Model Context
// Protocol (https://modelcontextprotocol.io): whether it may change something without a
// person, what it decided and why, which reports it read; and what is known of a change.
//
// A decision is answered with what an auditor will miss in it, as long as that can be
// mended, and with the trailers that lead from the commit to it.
package mcp
