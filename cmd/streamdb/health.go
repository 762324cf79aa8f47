package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthTimeout bounds how long the server may take to answer.
const healthTimeout = 3 * time.Second

// health asks the server that these options would start whether it is well: the
// health check of an image that has nothing but this binary.
func health(args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions("health", args, stderr)
	if err != nil {
		return err
	}
	if o.httpListen == "" {
		return &usageError{errors.New("health needs the server's --http-listen")}
	}
	client := http.Client{Timeout: healthTimeout}
	response, err := client.Get("http://" + o.httpListen + "/health")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	_, err = stdout.Write(text)
	return err
}
