package main

type serveCommand struct{}

func (serveCommand) Help() string { return "Example: spar serve --config /etc/spar/spar.yaml" }

func (serveCommand) Run(c *console) error {
	cfg, err := c.loadServing()
	if err != nil {
		return err
	}
	log := newLogger(c.stderr, cfg.Log.Level)
	l, err := listen(cfg)
	if err != nil {
		return err
	}
	a, err := newApp(c.ctx, cfg, l, log)
	if err != nil {
		return err
	}
	return a.run(c.ctx)
}
