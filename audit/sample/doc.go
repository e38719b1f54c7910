// Package sample draws items from a population so that anybody can repeat it in a spreadsheet, and
// computes what a sample says about its population: attribute sampling, as audits use it for
// controls that either worked or did not.
//
// It knows numbers only. It imports nothing of changetrail.
package sample
