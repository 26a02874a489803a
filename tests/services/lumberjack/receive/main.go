// Command receive takes events as Logstash's beats input does, on Elastic's own implementation of the protocol, and
// writes them as JSON lines before it acknowledges them. Its switches make it fail in the ways that a shipper meets.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/elastic/go-lumber/lj"
	v2 "github.com/elastic/go-lumber/server/v2"
)

type settings struct {
	listen, certificate, key, clientCA, out string
	ackDelay, keepalive, timeout            time.Duration
	neverAck                                bool
	loseAckEvery                            int
}

func main() {
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:0", "address to listen at")
	flag.StringVar(&s.certificate, "certificate", "", "PEM certificate; without it there is no TLS")
	flag.StringVar(&s.key, "key", "", "PEM key of the certificate")
	flag.StringVar(&s.clientCA, "client-ca", "", "refuse clients without a certificate of this authority")
	flag.StringVar(&s.out, "out", "", "append events to this file; without it they are dropped")
	flag.DurationVar(&s.ackDelay, "ack-delay", 0, "wait before each acknowledgement")
	flag.DurationVar(&s.keepalive, "keepalive", 3*time.Second, "acknowledge 0 this often while a batch is not done")
	flag.DurationVar(&s.timeout, "timeout", 30*time.Second, "wait for the rest of a batch")
	flag.BoolVar(&s.neverAck, "never-ack", false, "take batches and never acknowledge them")
	flag.IntVar(&s.loseAckEvery, "lose-ack-every", 0, "after each N-th batch, close all connections instead of acknowledging")
	flag.Parse()
	if err := run(s); err != nil {
		log.Fatal(err)
	}
}

func run(s settings) error {
	sink, err := open(s.out)
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	listener := &trackedListener{Listener: tcp, open: map[net.Conn]struct{}{}}
	// The server's own option for TLS has no effect on a listener that it is given.
	wrapped, err := withTLS(listener, s)
	if err != nil {
		return err
	}
	server, err := v2.NewWithListener(wrapped, v2.Keepalive(s.keepalive), v2.Timeout(s.timeout), v2.JSONDecoder(keep))
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, "listening at", tcp.Addr())
	return receive(server.ReceiveChan(), sink, listener, s)
}

func receive(batches <-chan *lj.Batch, sink *bufio.Writer, listener *trackedListener, s settings) error {
	number := 0
	for batch := range batches {
		number++
		for _, event := range batch.Events {
			sink.Write(event.(json.RawMessage))
			sink.WriteByte('\n')
		}
		// An error sticks to the writer, so that this is the one place to look.
		if err := sink.Flush(); err != nil {
			return err
		}
		switch {
		case s.neverAck:
		case s.loseAckEvery > 0 && number%s.loseAckEvery == 0:
			listener.closeAll()
		default:
			time.Sleep(s.ackDelay)
			batch.ACK()
		}
	}
	return errors.New("the server has ended")
}

// keep checks that an event is JSON and keeps it as it came; its bytes are overwritten by the next one.
func keep(text []byte, event interface{}) error {
	if !json.Valid(text) {
		return fmt.Errorf("an event is not JSON: %.80q", text)
	}
	*event.(*interface{}) = json.RawMessage(append([]byte(nil), text...))
	return nil
}

func open(path string) (*bufio.Writer, error) {
	if path == "" {
		return bufio.NewWriter(io.Discard), nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return bufio.NewWriterSize(file, 1<<20), nil
}

func withTLS(listener net.Listener, s settings) (net.Listener, error) {
	if s.certificate == "" {
		return listener, nil
	}
	certificate, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if s.clientCA != "" {
		pem, err := os.ReadFile(s.clientCA)
		if err != nil {
			return nil, err
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("the client authority is no PEM certificate")
		}
	}
	return tls.NewListener(listener, config), nil
}

// trackedListener remembers its connections, so that all of them can be closed.
type trackedListener struct {
	net.Listener
	mutex sync.Mutex
	open  map[net.Conn]struct{}
}

func (l *trackedListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.open[connection] = struct{}{}
	return &trackedConn{connection, l}, nil
}

func (l *trackedListener) closeAll() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for connection := range l.open {
		connection.Close()
		delete(l.open, connection)
	}
}

type trackedConn struct {
	net.Conn
	listener *trackedListener
}

func (c *trackedConn) Close() error {
	c.listener.mutex.Lock()
	delete(c.listener.open, c.Conn)
	c.listener.mutex.Unlock()
	return c.Conn.Close()
}
