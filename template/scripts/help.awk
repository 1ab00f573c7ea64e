# Lists a Makefile's targets with the text after `##`, under the headings after `##@`.
BEGIN { print "Usage: make TARGET\n" }
/^##@/ { printf "%s\n", substr($0, 5); next }
/^[a-z0-9_-]+:.*## / {
  target = $0; sub(/:.*/, "", target)
  text = $0; sub(/.*## /, "", text)
  printf "  %-16s %s\n", target, text
}
