package blobtest

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/changetrail/changetrail/blobs"
)

// RunBucket tests an empty bucket, and then a store in it.
func RunBucket(t *testing.T, b blobs.Bucket) {
	t.Helper()
	Run(t, blobs.New(b, "the bucket"))
	create := func(key, content string) bool {
		made, err := b.Create(t.Context(), key, bytes.NewReader([]byte(content)), int64(len(content)))
		if err != nil {
			t.Errorf("create %s: %v", key, err)
		}
		return made
	}
	const key = "once/day=2026-11-12/a.jsonl.gz"
	if !create(key, "first") || create(key, "second") {
		t.Error("a file is created twice, or not at all")
	}
	if got := read(t, b, key); got != "first" {
		t.Errorf("a file that exists was changed to %q", got)
	}
	var made atomic.Int32
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			if create("once/many", "the same") {
				made.Add(1)
			}
		})
	}
	writers.Wait()
	if n := made.Load(); n != 1 || read(t, b, "once/many") != "the same" {
		t.Errorf("%d of several writers created a file", n)
	}
	var listed []string
	if err := b.Each(t.Context(), "once/", func(key string) error { listed = append(listed, key); return nil }); err != nil || len(listed) != 2 {
		t.Errorf("listed are %v: %v", listed, err)
	}
}

func read(t *testing.T, b blobs.Bucket, key string) string {
	t.Helper()
	r, err := b.Open(t.Context(), key)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer func() { _ = r.Close() }() // it was only read
	content, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}
