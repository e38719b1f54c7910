// Package config holds the settings of changetrail: their defaults, where they come
// from and which values they may have.
//
// A setting comes from a flag, else from the environment, else from the configuration
// file, else it has its default ([Source.Load], [Config.Set]). [Config.Validate] says
// what is wrong with the values, and [Config.CheckSecrets] whether a secret would be
// sent to an address with which it was not configured. A Config prints itself without
// its secrets.
//
// Nothing here opens a connection: what is built from the settings, the commands build.
package config
