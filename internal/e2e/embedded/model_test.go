//go:build servers

package embedded

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// A use of a tool, as a model asks for it.
type use struct {
	Tool      string
	Arguments map[string]any
}

// newModel starts a stand-in for the services of models, which cannot be had here: it
// asks for uses of tools, one after another, and is done. It speaks OpenAI's Responses
// and Chat Completions, and Anthropic's Messages.
func newModel(t *testing.T, script []use) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Stream bool `json:"stream"`
			Input  []struct {
				Type string `json:"type"`
			} `json:"input"`
		}
		read(t, r, &request)
		k := 0
		for _, item := range request.Input {
			if item.Type == "function_call_output" {
				k++
			}
		}
		output := map[string]any{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": []any{map[string]any{"type": "output_text", "text": "Done.", "annotations": []any{}}}}
		if k < len(script) {
			output = map[string]any{"type": "function_call", "id": fmt.Sprint("fc_", k), "call_id": fmt.Sprint("call_", k), "name": script[k].Tool, "arguments": text(t, script[k].Arguments), "status": "completed"}
		}
		response := map[string]any{
			"id": fmt.Sprint("resp_", k), "object": "response", "created_at": 0, "model": "stand-in", "status": "completed", "output": []any{output},
			"parallel_tool_calls": false, "tool_choice": "auto", "tools": []any{},
			"usage": map[string]any{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": map[string]any{"cached_tokens": 0}, "output_tokens_details": map[string]any{"reasoning_tokens": 0}},
		}
		if !request.Stream {
			reply(t, w, response)
			return
		}
		streamed(t, w, map[string]any{"type": "response.created", "response": map[string]any{"id": response["id"]}},
			map[string]any{"type": "response.output_item.done", "output_index": 0, "item": output}, map[string]any{"type": "response.completed", "response": response})
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Messages []struct {
				Role string `json:"role"`
			} `json:"messages"`
		}
		read(t, r, &request)
		k := 0
		for _, m := range request.Messages {
			if m.Role == "tool" {
				k++
			}
		}
		message, reason := map[string]any{"role": "assistant", "content": "Done."}, "stop"
		if k < len(script) {
			call := map[string]any{"id": fmt.Sprint("call_", k), "type": "function", "function": map[string]any{"name": script[k].Tool, "arguments": text(t, script[k].Arguments)}}
			message, reason = map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{call}}, "tool_calls"
		}
		reply(t, w, map[string]any{
			"id": "c", "object": "chat.completion", "created": 0, "model": "stand-in", "choices": []any{map[string]any{"index": 0, "finish_reason": reason, "message": message}},
			"usage": map[string]any{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
		})
	})
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) { anthropic(t, w, r, script) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// anthropic answers POST /v1/messages, as a stream where one is asked for. Requests
// without the tools of the script, as for a title, are done at once.
func anthropic(t *testing.T, w http.ResponseWriter, r *http.Request, script []use) {
	var request struct {
		Stream bool `json:"stream"`
		Tools  []struct {
			Name string `json:"name"`
		} `json:"tools"`
		Messages []struct {
			Content any `json:"content"`
		} `json:"messages"`
	}
	read(t, r, &request)
	k := 0
	for _, m := range request.Messages {
		blocks, _ := m.Content.([]any)
		for _, b := range blocks {
			if b, ok := b.(map[string]any); ok && b["type"] == "tool_result" {
				k++
			}
		}
	}
	block, input, reason := map[string]any{"type": "text", "text": "Done."}, "", "end_turn"
	if k < len(script) && len(request.Tools) > 1 {
		input, reason = text(t, script[k].Arguments), "tool_use"
		block = map[string]any{"type": "tool_use", "id": fmt.Sprint("toolu_", k), "name": script[k].Tool, "input": script[k].Arguments}
	}
	message := map[string]any{"id": "msg", "type": "message", "role": "assistant", "model": "stand-in", "content": []any{block}, "stop_reason": reason, "stop_sequence": nil, "usage": map[string]any{"input_tokens": 1, "output_tokens": 1}}
	if !request.Stream {
		reply(t, w, message)
		return
	}
	message["content"], message["stop_reason"] = []any{}, nil
	delta := map[string]any{"type": "text_delta", "text": "Done."}
	if input != "" {
		block["input"] = map[string]any{}
		delta = map[string]any{"type": "input_json_delta", "partial_json": input}
	} else {
		block["text"] = ""
	}
	streamed(t, w, map[string]any{"type": "message_start", "message": message},
		map[string]any{"type": "content_block_start", "index": 0, "content_block": block},
		map[string]any{"type": "content_block_delta", "index": 0, "delta": delta},
		map[string]any{"type": "content_block_stop", "index": 0},
		map[string]any{"type": "message_delta", "delta": map[string]any{"stop_reason": reason, "stop_sequence": nil}, "usage": map[string]any{"output_tokens": 1}},
		map[string]any{"type": "message_stop"})
}

// streamed sends server-sent events, each under its type.
func streamed(t *testing.T, w http.ResponseWriter, events ...map[string]any) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e["type"], text(t, e))
	}
}

func read(t *testing.T, r *http.Request, into any) {
	if err := json.UnmarshalRead(r.Body, into); err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Errorf("%s: %v", r.URL.Path, err)
	}
}

func reply(t *testing.T, w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.MarshalWrite(w, v); err != nil {
		t.Error(err)
	}
}

func text(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
