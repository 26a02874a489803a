// Command send ships the JSON lines of a file with the client that Beats use, and prints what it took: for
// comparisons of speed, and to feed other receivers.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"syscall"
	"time"

	v2 "github.com/elastic/go-lumber/client/v2"
)

func main() {
	address := flag.String("address", "127.0.0.1:5044", "where to send")
	path := flag.String("events", "", "file with one event a line")
	total := flag.Int("total", 0, "events to send, the file's over and over; 0 sends it once")
	window := flag.Int("window", 2048, "events in a window")
	pipelining := flag.Int("pipelining", 2, "windows under way at a time")
	level := flag.Int("level", 3, "compression level, 0 to 9")
	parsed := flag.Bool("parsed", false, "hand over parsed events, which the client then encodes, as in Beats")
	flag.Parse()
	events, err := read(*path, *parsed)
	if err != nil {
		log.Fatal(err)
	}
	if *total == 0 {
		*total = len(events)
	}
	options := []v2.Option{v2.CompressionLevel(*level), v2.Timeout(time.Minute)}
	if !*parsed {
		options = append(options, v2.JSONEncoder(func(event interface{}) ([]byte, error) { return event.([]byte), nil }))
	}
	client, err := v2.AsyncDial(*address, *pipelining-1, options...)
	if err != nil {
		log.Fatal(err)
	}
	before, start := cpu(), time.Now()
	if err := send(client, events, *total, *window); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"events\":%d,\"cpu_seconds\":%.3f,\"seconds\":%.3f}\n", *total, cpu()-before, time.Since(start).Seconds())
}

func read(path string, parsed bool) ([]interface{}, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	var events []interface{}
	for lines.Scan() {
		line := append([]byte(nil), lines.Bytes()...)
		if !parsed {
			events = append(events, line)
			continue
		}
		var event map[string]interface{}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, lines.Err()
}

// send returns when the last window is acknowledged.
func send(client *v2.AsyncClient, events []interface{}, total, window int) error {
	var pending sync.WaitGroup
	failed := make(chan error, 1)
	batch := make([]interface{}, 0, window)
	for sent := 0; sent < total; {
		batch = batch[:0]
		for len(batch) < window && sent < total {
			batch = append(batch, events[sent%len(events)])
			sent++
		}
		pending.Add(1)
		acknowledged := func(_ uint32, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
			pending.Done()
		}
		if err := client.Send(acknowledged, batch); err != nil {
			return err
		}
	}
	pending.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return client.Close()
	}
}

// cpu gives the processor time of this process so far, in seconds.
func cpu() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}
