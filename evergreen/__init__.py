"""The companion command of the template: updates that lose no edit."""
